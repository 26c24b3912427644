"""A page on each reason code, `CODE.md`: what it means, why it happens, an example, the fix, and who says so."""
