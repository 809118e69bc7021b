"""A Triton Python model with the interface of `recommend`, over a shop of 50 items.

Score of item i: -0.01 * i, plus 1 for each time it stands in recent_items, plus basket_value on items divisible by 7.
hour 98 fails, hour 97 takes 1.5 s, household "nobody" has three candidates; for household "bytes" the id of item 0 is
not UTF-8.
"""

import json
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.k = int(json.loads(args["model_config"])["parameters"]["k"]["string_value"])

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        household, hour, basket_value, style, recent = (
            pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in ("household_id", "hour", "basket_value", "style", "recent_items")
        )
        if (hour == 98).any():
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("the shop is shut at hour 98"))
        if (hour == 97).any():
            time.sleep(1.5)
        ids = np.full((len(hour), self.k), b"", dtype=np.object_)
        scores = np.full((len(hour), self.k), -np.inf, dtype=np.float32)
        for row in range(len(hour)):
            every = -0.01 * np.arange(50) + 0.0 * style[row].sum()
            every[::7] += np.nan_to_num(basket_value[row, 0])
            for item in recent[row]:
                if item:
                    every[int(item.decode().removeprefix("ü"))] += 1
            best = np.argsort(-every, kind="stable")[: 3 if household[row, 0] == b"nobody" else self.k]
            ids[row, : len(best)] = [f"ü{item}".encode() for item in best]
            scores[row, : len(best)] = every[best]
            if household[row, 0] == b"bytes":
                ids[row, list(best).index(0)] = b"\xc3\xbc\xff"
        return pb_utils.InferenceResponse([pb_utils.Tensor("item_id", ids), pb_utils.Tensor("score", scores)])
