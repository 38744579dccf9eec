-- Digests are 32-byte blobs, parties did:key texts, times seconds since 1970.

-- Bytes that each party holds.
CREATE TABLE owners (
    did   TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;

-- Objects in the store. class: see store::Class. header: the 64 bytes of a bulk object. variants: of a panel.
CREATE TABLE objects (
    digest   BLOB PRIMARY KEY,
    class    INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    header   BLOB,
    variants INTEGER NOT NULL,
    damaged  INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Who sent an object, or had it computed. The same object may be held by several parties who know nothing of each other.
CREATE TABLE holdings (
    owner  TEXT NOT NULL,
    object BLOB NOT NULL REFERENCES objects (digest),
    PRIMARY KEY (owner, object)
) WITHOUT ROWID;
CREATE INDEX holdings_object ON holdings (object);

-- Manifests. total: bytes with the objects that it names.
CREATE TABLE manifests (
    id       BLOB PRIMARY KEY,
    kind     INTEGER NOT NULL,
    owner    TEXT NOT NULL,
    name     TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    total    INTEGER NOT NULL,
    received INTEGER NOT NULL
) WITHOUT ROWID;

-- Objects that a manifest names.
CREATE TABLE refs (
    manifest BLOB NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    object   BLOB NOT NULL REFERENCES objects (digest),
    PRIMARY KEY (manifest, object)
) WITHOUT ROWID;
CREATE INDEX refs_object ON refs (object);

-- Manifests that a manifest names. A target may be gone (a withdrawn grant of a finished job).
CREATE TABLE links (
    manifest BLOB NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    target   BLOB NOT NULL,
    PRIMARY KEY (manifest, target)
) WITHOUT ROWID;
CREATE INDEX links_target ON links (target);

-- Who may read a manifest and the objects that it names. because: the manifest that gave the right.
CREATE TABLE readers (
    manifest BLOB NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    party    TEXT NOT NULL,
    because  BLOB NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    PRIMARY KEY (manifest, party, because)
) WITHOUT ROWID;
CREATE INDEX readers_party ON readers (party);
CREATE INDEX readers_because ON readers (because);

-- Public key contributions.
CREATE TABLE keys (
    study  BLOB NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    party  TEXT NOT NULL,
    object BLOB NOT NULL REFERENCES objects (digest),
    PRIMARY KEY (study, party)
) WITHOUT ROWID;

-- Jobs. place: order of arrival.
CREATE TABLE jobs (
    id      BLOB PRIMARY KEY REFERENCES manifests (id) ON DELETE CASCADE,
    place   INTEGER NOT NULL UNIQUE,
    study   BLOB NOT NULL,
    state   TEXT NOT NULL,
    total   INTEGER NOT NULL,
    seconds REAL NOT NULL DEFAULT 0,
    result  BLOB,
    error   TEXT
) WITHOUT ROWID;
CREATE INDEX jobs_state ON jobs (state, place);

-- Finished units of jobs. grp: group.
CREATE TABLE units (
    job    BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    plane  INTEGER NOT NULL,
    grp    INTEGER NOT NULL,
    object BLOB NOT NULL REFERENCES objects (digest),
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (job, plane, grp)
) WITHOUT ROWID;

-- Used nonces, until they expire.
CREATE TABLE nonces (
    party   TEXT NOT NULL,
    nonce   TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (party, nonce)
) WITHOUT ROWID;
CREATE INDEX nonces_expires ON nonces (expires);

-- Removed from the index, not yet known to be deleted from the store.
CREATE TABLE erasing (
    class  INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (class, digest)
) WITHOUT ROWID;
