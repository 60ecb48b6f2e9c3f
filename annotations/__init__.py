"""Proofreading: tasks, Label Studio, decisions and what they settle to."""
