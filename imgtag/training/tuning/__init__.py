"""Learning step by step with PyTorch Lightning. Only the trainer imports this package: its modules load torch."""

# In the run folder while it learns: the best round and the last one of fine-tuning, the best round of a head. A resumed
# run learns its heads again, and must not touch what fine-tuning had reached.
BEST, LAST, BEST_HEAD = "best.ckpt", "resume.ckpt", "best-head.ckpt"
