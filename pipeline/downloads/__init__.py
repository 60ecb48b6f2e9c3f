"""Downloads: bytes of strangers' servers, fetched once, politely, within bounds."""
