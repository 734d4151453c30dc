"""The flavour of pipelines and transactions: results come when all has been executed."""
