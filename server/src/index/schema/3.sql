-- Who may read a manifest but not the objects that it names. because: the grant, totals or job that gave the right.
CREATE TABLE viewers (
    manifest BLOB NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    party    TEXT NOT NULL,
    because  BLOB NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    PRIMARY KEY (manifest, party, because)
) WITHOUT ROWID;
CREATE INDEX viewers_party ON viewers (party);
CREATE INDEX viewers_because ON viewers (because);
