"""Apache Kafka, PostgreSQL and an S3 server of one's own: on loopback, no Docker, one directory."""
