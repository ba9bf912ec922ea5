import type { Migration } from '../custody/ledger';

/**
 * `inbound`: one row for one version of one remote object, by key and ETag.
 * - wanted: asked for. `etag` is NULL until S3 has said which version there is.
 * - fetching: `temporary` is the beginning of this version, `durable_bytes` of it on disk for certain; `boot_id` says in
 *   which run of the device the rest was written.
 * - landing: whole, verified and on disk; `inode` is the temporary file's, by which a landed one is known again.
 * - landed: it has its name, durably; `landed_path` relative to the inbox folder.
 * - archiving: `archive_key` is chosen, the copy may be there.
 * - archived: the copy is there and checked; the object may be deleted.
 * - done: nothing is left to do. `outcome`: archived (copied and deleted), landed (stays in the bucket), skipped.
 * `request`: the id that whoever asked gave with it, for the result.
 */
export const INBOX_MIGRATION: Migration = `
  CREATE TABLE inbound (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    object_key      TEXT    NOT NULL,
    etag            TEXT,
    size_bytes      INTEGER,
    state           TEXT    NOT NULL CHECK (state IN ('wanted', 'fetching', 'landing', 'landed', 'archiving', 'archived', 'failed', 'superseded', 'done')),
    request         TEXT,
    failures        INTEGER NOT NULL DEFAULT 0,
    run_at_ms       INTEGER NOT NULL DEFAULT 0,
    boot_id         TEXT,
    durable_bytes   INTEGER NOT NULL DEFAULT 0,
    inode           TEXT,
    verified        TEXT,
    crc32           INTEGER,
    landed_path     TEXT,
    archive_key     TEXT,
    outcome         TEXT CHECK (outcome IN ('archived', 'landed', 'skipped')),
    error_code      TEXT,
    error_message   TEXT,
    asked_at_ms     INTEGER NOT NULL,
    concluded_at_ms INTEGER
  ) STRICT;

  -- The latest version of a key.
  CREATE INDEX inbound_key ON inbound (object_key, id);
  -- What is not ended, in order of arrival.
  CREATE INDEX inbound_open ON inbound (id, run_at_ms) WHERE state NOT IN ('failed', 'superseded', 'done');
  `;
