import type { Migration } from '../custody/ledger';

/**
 * `job`: one row for one execution of a job on this thing. `queued_at` and `execution_number` tell it from an earlier
 * one of the same id. `status` and `details`: what the cloud is to be told at the end. `outcome`: what a person sees,
 * also where the cloud ended it.
 * `job_file`: what a job brings or takes, in the order of its document. `source`: where it comes from, never with the
 * query of a signed URL; for a file that goes up, its path on the device. `path`: where it lands. `durable_bytes`, `boot_id` and `inode` as in `inbound`.
 * `upload_id`: its row of the way up.
 */
export const JOBS_MIGRATION: Migration = `
  CREATE TABLE job (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id           TEXT    NOT NULL,
    execution_number INTEGER NOT NULL,
    queued_at        INTEGER NOT NULL,
    version_number   INTEGER NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('running', 'landing', 'reporting', 'over')),
    status           TEXT CHECK (status IN ('SUCCEEDED', 'FAILED', 'REJECTED')),
    details          TEXT,
    outcome          TEXT,
    begun_at_ms      INTEGER NOT NULL,
    concluded_at_ms  INTEGER
  ) STRICT;

  CREATE INDEX job_by_id ON job (job_id, id);

  CREATE TABLE job_file (
    job           INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,
    source        TEXT    NOT NULL,
    path          TEXT    NOT NULL,
    unpack        TEXT    NOT NULL CHECK (unpack IN ('none', 'zip', 'tar.gz')),
    state         TEXT    NOT NULL CHECK (state IN ('wanted', 'staged', 'sent')),
    etag          TEXT,
    md5           TEXT,
    size_bytes    INTEGER,
    durable_bytes INTEGER NOT NULL DEFAULT 0,
    boot_id       TEXT,
    verified      TEXT,
    inode         TEXT,
    upload_id     INTEGER,
    PRIMARY KEY (job, number)
  ) STRICT, WITHOUT ROWID;

  CREATE INDEX job_file_upload ON job_file (upload_id) WHERE upload_id IS NOT NULL;
  `;
