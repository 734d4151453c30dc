"""Redis's serialised forms: what DUMP, FUNCTION DUMP and RDB files are made of."""
