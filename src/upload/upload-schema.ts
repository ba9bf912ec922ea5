import type { Migration } from '../custody/ledger';

/**
 * `upload`: one row for one version of one file. `path` is bytes, relative to its outbox. `run_at_ms` is 0 until a
 * failure defers it, so that no wall clock decides about a fresh file. `outcome_unknown`: an attempt may have created
 * the object although its answer was lost.
 * `batch` of the spool that holds the file; NULL while it lies in the outbox. `note`: what a person should know of it.
 * `outbox.last_batch`: every batch up to it has had its rows.
 * `part`: what S3 has answered for; number, offset and size, so that the unsent rest can be cut anew.
 * `pruned`: how many rows of a state were forgotten, so that sums stay true.
 * `orphan_multipart`: multipart uploads that no row goes on with, until they are aborted.
 */
export const UPLOAD_MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE outbox (
    id   INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
  ) STRICT;

  CREATE TABLE upload (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    outbox_id       INTEGER NOT NULL REFERENCES outbox (id),
    path            BLOB    NOT NULL,
    size_bytes      INTEGER NOT NULL,
    content         TEXT    NOT NULL,
    place           TEXT    NOT NULL,
    object_key      TEXT    NOT NULL,
    original_key    TEXT,
    newest_first    INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('queued', 'uploading', 'failed', 'superseded', 'done')),
    attempt         INTEGER NOT NULL DEFAULT 0,
    failures        INTEGER NOT NULL DEFAULT 0,
    outcome_unknown INTEGER NOT NULL DEFAULT 0,
    run_at_ms       INTEGER NOT NULL DEFAULT 0,
    multipart_id    TEXT,
    renames         INTEGER NOT NULL DEFAULT 0,
    crc32           INTEGER,
    outcome         TEXT CHECK (outcome IN ('delivered', 'skipped')),
    error_code      TEXT,
    error_message   TEXT,
    queued_at_ms    INTEGER NOT NULL,
    concluded_at_ms INTEGER
  ) STRICT;

  -- The latest version of a path.
  CREATE INDEX upload_path ON upload (outbox_id, path, id);
  -- The take: in order of arrival, without visiting the table for rows that wait for their time.
  CREATE INDEX upload_queued ON upload (outbox_id, id, run_at_ms) WHERE state = 'queued';
  -- When the next deferred row is due. Holds deferred rows only.
  CREATE INDEX upload_deferred ON upload (run_at_ms) WHERE state = 'queued' AND run_at_ms > 0;
  -- Rows a later one of the same key could overtake: those tried before, and all of an outbox that sends the newest first.
  CREATE INDEX upload_overtaken ON upload (object_key, id) WHERE state = 'queued' AND (attempt > 0 OR newest_first = 1);

  CREATE TABLE part (
    upload_id    INTEGER NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL,
    offset_bytes INTEGER NOT NULL,
    size_bytes   INTEGER NOT NULL,
    etag         TEXT    NOT NULL,
    crc32        INTEGER NOT NULL,
    PRIMARY KEY (upload_id, number)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE orphan_multipart (
    id           INTEGER PRIMARY KEY,
    object_key   TEXT NOT NULL,
    multipart_id TEXT NOT NULL
  ) STRICT;

  INSERT INTO orphan_multipart (object_key, multipart_id)
    SELECT object_key, multipart_id FROM upload WHERE state IN ('superseded', 'failed') AND multipart_id IS NOT NULL;
  UPDATE upload SET multipart_id = NULL WHERE state IN ('superseded', 'failed') AND multipart_id IS NOT NULL;
  `,
  `
  ALTER TABLE upload ADD COLUMN batch INTEGER;
  ALTER TABLE upload ADD COLUMN note TEXT;
  ALTER TABLE outbox ADD COLUMN last_batch INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE pruned (
    state TEXT PRIMARY KEY,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];
