"""Pictures on disk: projects, class folders, imports and splits."""
