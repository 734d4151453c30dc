"""Libraries that use kvnode through the integrations that kvclient has for them."""
