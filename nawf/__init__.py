"""nawf: DFT workflows and phase thermodynamics for the Na-S-Sb-P-Sn system."""

__version__ = "0.1.0"
