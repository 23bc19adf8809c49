"""The data type that a PyTorch network computes in: bf16, fp16 or fp32."""

import torch

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(asked: str, device: torch.device) -> str:
    """What "auto" is on a device: bf16 where it computes in it (CUDA from Ampere on, CPUs with avx512_bf16 or AMX).

    Otherwise it is fp16 on CUDA (T4, P100, V100) and fp32 on a CPU and on Apple's MPS.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bf16"
    return "fp32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a network computes in `precision`: "auto", "bf16", "fp16" or "fp32"."""
    resolved = resolve_precision(precision, device)
    return torch.autocast(device.type, dtype=TYPES.get(resolved, torch.bfloat16), enabled=resolved in TYPES)
