"""Texts of strangers (captions, names, addresses, answers of servers) in every place they go to."""
