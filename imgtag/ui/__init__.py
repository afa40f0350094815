"""Building blocks of the screens. The screens themselves are in pages/."""
