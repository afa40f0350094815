"""Learning step by step with PyTorch Lightning. Only the trainer imports this package: it loads torch."""
