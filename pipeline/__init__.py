"""From LAION rows to screened label proposals, and from a release back to images."""
