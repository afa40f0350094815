"""Learning step by step with PyTorch Lightning. Only the trainer imports this package: its modules load torch."""

# The best round and the last one of an unfinished fine-tuning, in the run folder.
BEST, LAST = "best.ckpt", "resume.ckpt"
