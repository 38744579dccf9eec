-- When a grant ends, in seconds since 1970; nothing else ends.
ALTER TABLE manifests ADD COLUMN expires INTEGER;

-- Drafts, as JSON (the store holds the same as a record), and who may see them.
CREATE TABLE drafts (
    id    BLOB PRIMARY KEY,
    owner TEXT NOT NULL,
    body  TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE members (
    draft BLOB NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
    party TEXT NOT NULL,
    PRIMARY KEY (draft, party)
) WITHOUT ROWID;
CREATE INDEX members_party ON members (party);

-- What each party says once about a study or job: commitments and shares. slot: see index::Slot.
CREATE TABLE once (
    subject  BLOB NOT NULL,
    slot     TEXT NOT NULL,
    party    TEXT NOT NULL,
    manifest BLOB NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    PRIMARY KEY (subject, slot, party)
) WITHOUT ROWID;
