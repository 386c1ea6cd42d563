"""Which instructions of the processor a process can be held to; `kernels` says what for."""

from __future__ import annotations

NATIVE = "native"  # whatever the processor and the environment offer
# MKL_CBWR: conditional numerical reproducibility of MKL; ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY: likewise.
PINNED: dict[str, dict[str, str]] = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "compatible": {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}
NAMES = (*PINNED, NATIVE)
