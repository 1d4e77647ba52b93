-- The server's own keys, so that every node signs and hashes with the same ones. `sealed` holds a key's secret under the
-- sealing key of the key file, which itself is never here: its own row (role sealing-key) holds a probe that only it opens.
-- role and state are the words of the key file; activates_at says from when on the key may sign or hash. A few rows in all.

CREATE TABLE server_keys (
    id TEXT NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    state TEXT NOT NULL,
    activates_at BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL
) /*sqlite: WITHOUT ROWID*/;
