-- Every statement of the sink, each under its name. `iqstream/catalogue/postgres.py` reads this file.

-- name: claim_partition
UPDATE heimdall.stream_offsets SET owner_epoch = owner_epoch + 1, updated_at = now()
WHERE "group" = $1 AND topic = $2 AND partition = $3
RETURNING next_offset, owner_epoch, cluster_id, topic_id;

-- name: store_offset
UPDATE heimdall.stream_offsets SET next_offset = $5, updated_at = now()
WHERE "group" = $1 AND topic = $2 AND partition = $3 AND owner_epoch = $4
RETURNING next_offset;

-- name: create_offset
INSERT INTO heimdall.stream_offsets ("group", topic, partition, next_offset, cluster_id, topic_id)
SELECT $1, $2, partition, 0, $4, $5 FROM unnest($3::int[]) AS partition
ON CONFLICT DO NOTHING;

-- name: foreign_offsets
SELECT DISTINCT cluster_id FROM heimdall.stream_offsets
WHERE "group" = $1 AND topic = $2 AND cluster_id <> $3;

-- name: begin_again
UPDATE heimdall.stream_offsets
SET next_offset = 0, topic_id = $3, owner_epoch = owner_epoch + 1, updated_at = now()
WHERE "group" = $1 AND topic = $2 AND topic_id <> $3;

-- name: lock_datasets
SELECT d.id::text, d.version, d.status, d.recorded, d.samples, d.iq_samples, d.iq_chosen, d.iq_frontier,
    d.requested - d.accepted - d.rejected - d.failed AS undecided
FROM heimdall.datasets d, (SELECT set_config('lock_timeout', $3, true)) AS set_before_any_row_is_locked
WHERE (d.id, d.version) IN (SELECT * FROM unnest($1::uuid[], $2::int[]))
ORDER BY d.id, d.version
FOR NO KEY UPDATE OF d;

-- name: end_frozen_transactions
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    AND application_name = current_setting('application_name')
    AND backend_xid IS NOT NULL AND state = 'active' AND wait_event_type = 'Client'
    AND state_change < clock_timestamp() - $1::int * interval '1 ms';

-- name: read_spec
SELECT spec FROM heimdall.datasets WHERE id = $1 AND version = $2;

-- name: read_ledger
SELECT o.dataset_id::text, o.dataset_version, o.sample_idx, o.outcome, o.generation
FROM heimdall.sample_outcomes o
JOIN unnest($1::uuid[], $2::int[], $3::int[]) AS k (dataset_id, dataset_version, sample_idx)
    USING (dataset_id, dataset_version, sample_idx);

-- name: write_outcomes
INSERT INTO heimdall.sample_outcomes AS o
    (dataset_id, dataset_version, sample_idx, outcome, reason, figures, generation, first_outcome, lineage)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[], $6::jsonb[], $7::int[],
                     $8::text[], $9::jsonb[])
ON CONFLICT (dataset_id, dataset_version, sample_idx) DO UPDATE
SET outcome = excluded.outcome, reason = excluded.reason, figures = excluded.figures,
    generation = excluded.generation, lineage = excluded.lineage, decided_at = now()
WHERE o.generation < excluded.generation;

-- name: raise_generations
UPDATE heimdall.sample_outcomes o SET generation = k.generation
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[])
    AS k (dataset_id, dataset_version, sample_idx, generation)
WHERE (o.dataset_id, o.dataset_version, o.sample_idx) = (k.dataset_id, k.dataset_version, k.sample_idx)
  AND o.generation < k.generation;

-- name: write_row
INSERT INTO heimdall.measurement_features
    (recording_session_id, dataset_id, dataset_version, sample_idx, receiver_features, tx_latitude,
     tx_longitude, tx_altitude_m, tx_known, extraction_metadata, overall_confidence, mean_snr_db,
     num_receivers_detected, gdop)
VALUES ($1, $2, $3, $4, $5::jsonb[], $6, $7, $8, $9, $10::jsonb, $11, $12, $13, $14)
ON CONFLICT (recording_session_id) DO UPDATE
SET receiver_features = excluded.receiver_features, tx_latitude = excluded.tx_latitude,
    tx_longitude = excluded.tx_longitude, tx_altitude_m = excluded.tx_altitude_m,
    tx_known = excluded.tx_known, extraction_metadata = excluded.extraction_metadata,
    overall_confidence = excluded.overall_confidence, mean_snr_db = excluded.mean_snr_db,
    num_receivers_detected = excluded.num_receivers_detected, gdop = excluded.gdop;

-- name: write_pair_row
INSERT INTO heimdall.pair_measurements (dataset_id, dataset_version, sample_idx, pairs, extractor_version)
VALUES ($1, $2, $3, $4::jsonb[], $5)
ON CONFLICT (dataset_id, dataset_version, sample_idx) DO UPDATE
SET pairs = excluded.pairs, extractor_version = excluded.extractor_version;

-- name: delete_rows
DELETE FROM heimdall.measurement_features
WHERE (dataset_id, dataset_version, sample_idx) IN (SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[]));

-- name: move_counters
UPDATE heimdall.datasets
SET accepted = accepted + $3, rejected = rejected + $4, failed = failed + $5
WHERE id = $1 AND version = $2;

-- name: write_dead_letter
INSERT INTO heimdall.dead_letters
    (topic, topic_id, partition, "offset", stage, error, message, key, value, header_names, header_values)
VALUES ($1, $2, $3, $4, 'sink', $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING;

-- name: lock_dead_letters_to_copy
SELECT topic, topic_id, partition, "offset", stage, error, message, key, value, header_names, header_values
FROM heimdall.dead_letters
WHERE copied_at IS NULL
ORDER BY topic, topic_id, partition, "offset"
LIMIT $1
FOR UPDATE SKIP LOCKED;

-- name: mark_dead_letters_copied
UPDATE heimdall.dead_letters SET copied_at = now()
WHERE (topic, topic_id, partition, "offset")
    IN (SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::bigint[]));

-- name: read_decided_from
SELECT sample_idx, first_outcome = 'accepted' AS accepted FROM heimdall.sample_outcomes
WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx >= $3
ORDER BY sample_idx
LIMIT $4;

-- name: choose_iq
INSERT INTO heimdall.iq_saves (dataset_id, dataset_version, sample_idx)
SELECT $1, $2, unnest($3::int[])
ON CONFLICT DO NOTHING;

-- name: store_choice
UPDATE heimdall.datasets SET iq_frontier = $3, iq_chosen = iq_chosen + $4 WHERE id = $1 AND version = $2;

-- name: complete_dataset
UPDATE heimdall.datasets SET status = 'complete', status_changed_at = now(), completed_at = now()
WHERE id = $1 AND version = $2 AND status IN ('submitting', 'running')
  AND accepted + rejected + failed = requested AND iq_samples_saved + iq_samples_lost = iq_chosen
RETURNING name, accepted, iq_samples_saved, iq_samples_lost;

-- name: allow_long_wait
SELECT set_config('idle_in_transaction_session_timeout', '2min', true);

-- name: end_long_wait
SELECT set_config('idle_in_transaction_session_timeout', $1, true);

-- name: claim_iq_save
SELECT s.dataset_id::text, s.dataset_version, s.sample_idx, s.attempts, o.lineage, d.spec, d.recorded
FROM heimdall.iq_saves s
JOIN heimdall.datasets d ON (d.id, d.version) = (s.dataset_id, s.dataset_version)
JOIN heimdall.sample_outcomes o USING (dataset_id, dataset_version, sample_idx)
WHERE s.saved_at IS NULL AND s.given_up_at IS NULL AND s.retry_at <= now() AND d.status IN ('submitting', 'running')
ORDER BY s.dataset_id, s.dataset_version, s.sample_idx
LIMIT 1
FOR UPDATE OF s SKIP LOCKED;

-- name: postpone_iq_save
UPDATE heimdall.iq_saves SET attempts = attempts + $6, error = $4, retry_at = now() + $5::interval
WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx = $3;

-- name: mark_iq_saved
WITH saved AS (
    UPDATE heimdall.iq_saves SET saved_at = now(), error = NULL
    WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx = $3 AND saved_at IS NULL
    RETURNING dataset_id, dataset_version, sample_idx
), noted AS (
    UPDATE heimdall.sample_outcomes o SET iq_saved_at = now() FROM saved
    WHERE (o.dataset_id, o.dataset_version, o.sample_idx)
        = (saved.dataset_id, saved.dataset_version, saved.sample_idx)
)
UPDATE heimdall.datasets d SET iq_samples_saved = iq_samples_saved + 1 FROM saved
WHERE (d.id, d.version) = (saved.dataset_id, saved.dataset_version);

-- name: give_up_iq_save
WITH given_up AS (
    UPDATE heimdall.iq_saves SET given_up_at = now(), attempts = attempts + 1, error = $4
    WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx = $3 AND saved_at IS NULL AND given_up_at IS NULL
    RETURNING dataset_id, dataset_version
)
UPDATE heimdall.datasets d SET iq_samples_lost = iq_samples_lost + 1 FROM given_up
WHERE (d.id, d.version) = (given_up.dataset_id, given_up.dataset_version);

-- name: forget_iq_save
DELETE FROM heimdall.iq_saves WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx = $3;
