"""The stages of a review: push, pull, settle, release."""
