"""Reading Triton's log: lines as Triton 2.51 writes them."""

from serving.triton_log import error_lines, failed_models, last_lines

LOG = r"""
E1123 16:18:24.597666 4102 server.cc:241] "CudaDriverHelper has not been initialized."
I1123 16:18:24.599155 4102 model_lifecycle.cc:472] "loading: ranker:1"
E1123 16:18:25.433690 4102 model_lifecycle.cc:642] "failed to load 'ranker' version 1: Internal: ModuleNotFoundError: No module named 'pk'\n\nAt:\n  model.py(5): <module>\n"
I1123 16:18:25.433750 4102 model_lifecycle.cc:777] "failed to load 'ranker'"
E1123 16:18:25.500000 4102 model_repository_manager.cc:703] "Invalid argument: ensemble 'recommend' depends on 'ranker' which has no loaded version. Model 'ranker' loading failed with error: version 1 is at UNAVAILABLE state: Internal: ModuleNotFoundError: No module named 'pk'"
E1123 16:18:25.600000 4102 model_repository_manager.cc:1460] "Poll failed for model directory 'half': failed to open text file for read /models/half/config.pbtxt: No such file or directory"
+-------+---------+--------+
| Model | Version | Status |
+-------+---------+--------+
error: creating server: Internal - failed to load all models
"""  # noqa: E501


def test_each_broken_model_has_the_first_line_of_its_reason() -> None:
    assert failed_models(LOG) == {
        "ranker": "ModuleNotFoundError: No module named 'pk'",
        "recommend": "depends on 'ranker' which has no loaded version",
        "half": "failed to open text file for read /models/half/config.pbtxt: No such file or directory",
    }


def test_error_lines_unfold_the_traceback_and_leave_out_the_missing_gpu() -> None:
    lines = error_lines(LOG)
    assert lines[:3] == [
        "failed to load 'ranker' version 1: Internal: ModuleNotFoundError: No module named 'pk'",
        "At:",
        "  model.py(5): <module>",
    ]
    assert lines[-1] == "error: creating server: Internal - failed to load all models"
    assert not any("Cuda" in line for line in lines)


def test_a_log_without_errors_blames_no_model() -> None:
    healthy = "I1123 16:18:56.255656 4151 model_lifecycle.cc:839] \"successfully loaded 'ranker'\"\n"
    assert failed_models(healthy) == {}
    assert error_lines(healthy) == []


def test_last_lines_stop_before_the_page_of_usage_and_skip_tables() -> None:
    wrong_option = "tritonserver: unrecognized option '--x'\nUsage: tritonserver [options]\n  --help\n\tPrint usage\n"
    assert last_lines(wrong_option) == ["tritonserver: unrecognized option '--x'"]
    assert last_lines(LOG, limit=1) == ["error: creating server: Internal - failed to load all models"]
    assert not any(line.startswith(("|", "+")) for line in last_lines(LOG))
