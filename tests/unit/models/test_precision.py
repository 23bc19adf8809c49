import torch

from comp.models.precision import resolve_precision


def test_precision_on_the_cpu_is_bf16_only_where_it_gains():
    cpu = torch.device("cpu")
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert resolve_precision("auto", cpu) == ("bf16" if fast else "fp32")
    assert resolve_precision("fp32", cpu) == "fp32"
