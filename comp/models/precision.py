"""The data type that a PyTorch network computes in: bf16 or fp32."""

import torch


def resolve_precision(asked: str, device: torch.device) -> str:
    """ "auto" is bf16 where the hardware computes in it (CUDA from Ampere on, CPUs with avx512_bf16 or AMX), else fp32."""
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a network computes in `precision`: "auto", "bf16" or "fp32"."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=resolve_precision(precision, device) == "bf16")
