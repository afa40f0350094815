"""From pictures to a model: backbones, features, heads, runs and the trainer process."""
