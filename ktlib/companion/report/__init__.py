"""Pages made from the record: `RESULTS.md`, the ledger of claims, and where a number comes from."""
