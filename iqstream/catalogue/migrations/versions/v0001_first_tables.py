"""Datasets, the ledger of decided samples, rows of features, stream offsets, dead letters, kept IQ."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE heimdall.datasets (
        id uuid NOT NULL,
        version integer NOT NULL CHECK (version >= 1),
        name text NOT NULL,
        spec jsonb NOT NULL,
        recorded boolean NOT NULL DEFAULT false,
        status text NOT NULL CHECK (status IN ('submitting', 'running', 'complete', 'cancelled', 'deleted')),
        requested integer NOT NULL CHECK (requested >= 1),
        accepted integer NOT NULL DEFAULT 0 CHECK (accepted >= 0),
        rejected integer NOT NULL DEFAULT 0 CHECK (rejected >= 0),
        failed integer NOT NULL DEFAULT 0 CHECK (failed >= 0),
        iq_samples integer NOT NULL CHECK (iq_samples >= 0),
        iq_samples_saved integer NOT NULL DEFAULT 0,
        iq_chosen integer NOT NULL DEFAULT 0,
        iq_frontier integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now(),
        status_changed_at timestamptz NOT NULL DEFAULT now(),
        completed_at timestamptz,
        PRIMARY KEY (id, version),
        CHECK (accepted + rejected + failed <= requested),
        CHECK (iq_samples_saved <= iq_chosen AND iq_chosen <= iq_samples)
    )
    """,
    "CREATE INDEX datasets_name ON heimdall.datasets (name)",
    "COMMENT ON COLUMN heimdall.datasets.recorded IS 'real recordings, which may miss receivers'",
    "COMMENT ON COLUMN heimdall.datasets.iq_frontier IS 'all samples below are decided and considered for IQ'",
    """
    CREATE FUNCTION heimdall.notify_dataset_status() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('iqstream_datasets', NEW.id::text);
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER dataset_created AFTER INSERT ON heimdall.datasets
        FOR EACH ROW EXECUTE FUNCTION heimdall.notify_dataset_status()
    """,
    """
    CREATE TRIGGER dataset_status_changed AFTER UPDATE OF status ON heimdall.datasets
        FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
        EXECUTE FUNCTION heimdall.notify_dataset_status()
    """,
    """
    CREATE TABLE heimdall.sample_outcomes (
        dataset_id uuid NOT NULL,
        dataset_version integer NOT NULL,
        sample_idx integer NOT NULL CHECK (sample_idx >= 0),
        outcome text NOT NULL CHECK (outcome IN ('accepted', 'rejected', 'failed')),
        reason text CHECK ((outcome = 'accepted') = (reason IS NULL)),
        figures jsonb NOT NULL,
        generation integer NOT NULL CHECK (generation >= 0),
        first_outcome text NOT NULL CHECK (first_outcome IN ('accepted', 'rejected', 'failed')),
        lineage jsonb NOT NULL,
        iq_saved_at timestamptz,
        decided_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (dataset_id, dataset_version, sample_idx),
        FOREIGN KEY (dataset_id, dataset_version) REFERENCES heimdall.datasets (id, version),
        CHECK (outcome <> 'rejected' OR reason IN ('too_few_receivers', 'low_snr', 'poor_geometry'))
    )
    """,
    "COMMENT ON COLUMN heimdall.sample_outcomes.first_outcome IS 'chooses whose IQ is kept; no replay moves it'",
    """
    CREATE TABLE heimdall.measurement_features (
        recording_session_id uuid PRIMARY KEY,
        dataset_id uuid NOT NULL,
        dataset_version integer NOT NULL,
        sample_idx integer NOT NULL CHECK (sample_idx >= 0),
        receiver_features jsonb[] NOT NULL,
        tx_latitude double precision,
        tx_longitude double precision,
        tx_altitude_m double precision,
        tx_known boolean NOT NULL,
        extraction_metadata jsonb NOT NULL,
        overall_confidence double precision NOT NULL CHECK (overall_confidence BETWEEN 0 AND 1),
        mean_snr_db double precision NOT NULL,
        num_receivers_detected integer NOT NULL
            CHECK (num_receivers_detected BETWEEN 2 AND array_length(receiver_features, 1)),
        gdop double precision,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (dataset_id, dataset_version, sample_idx),
        FOREIGN KEY (dataset_id, dataset_version) REFERENCES heimdall.datasets (id, version),
        CHECK (tx_known = (tx_latitude IS NOT NULL AND tx_longitude IS NOT NULL))
    )
    """,
    """
    CREATE TABLE heimdall.stream_offsets (
        "group" text NOT NULL,
        topic text NOT NULL,
        partition integer NOT NULL CHECK (partition >= 0),
        next_offset bigint NOT NULL CHECK (next_offset >= 0),
        owner_epoch bigint NOT NULL DEFAULT 0,
        cluster_id text NOT NULL,
        topic_id uuid NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY ("group", topic, partition)
    )
    """,
    """
    CREATE TABLE heimdall.dead_letters (
        topic text NOT NULL,
        partition integer NOT NULL,
        "offset" bigint NOT NULL,
        stage text NOT NULL,
        error text NOT NULL,
        message text NOT NULL,
        key bytea,
        value bytea NOT NULL,
        header_names text[] NOT NULL,
        header_values bytea[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        copied_at timestamptz,
        PRIMARY KEY (topic, partition, "offset")
    )
    """,
    """
    CREATE INDEX dead_letters_to_copy ON heimdall.dead_letters (topic, partition, "offset")
        WHERE copied_at IS NULL
    """,
    """
    CREATE TABLE heimdall.iq_saves (
        dataset_id uuid NOT NULL,
        dataset_version integer NOT NULL,
        sample_idx integer NOT NULL,
        saved_at timestamptz,
        attempts integer NOT NULL DEFAULT 0,
        error text,
        retry_at timestamptz NOT NULL DEFAULT '-infinity',
        PRIMARY KEY (dataset_id, dataset_version, sample_idx),
        FOREIGN KEY (dataset_id, dataset_version) REFERENCES heimdall.datasets (id, version)
    )
    """,
    "COMMENT ON TABLE heimdall.iq_saves IS 'samples chosen to have their IQ stored; claimed by row lock'",
    """
    CREATE INDEX iq_saves_open ON heimdall.iq_saves (dataset_id, dataset_version, sample_idx)
        WHERE saved_at IS NULL
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
