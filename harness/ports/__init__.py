"""Many ports: the manifest, the check, what it leaves behind, the history."""
