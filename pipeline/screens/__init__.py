"""Screens: what keeps a picture out, found by measures, heads, references and comparison."""
