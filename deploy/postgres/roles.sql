-- The stages' roles, made with the database; what they may do, `iqstream init` grants (iqstream/catalogue/roles.py).
\set sink_password `cat /run/secrets/postgres_sink_password`
\set stage_password `cat /run/secrets/postgres_stage_password`
CREATE ROLE iqstream_sink LOGIN PASSWORD :'sink_password';
CREATE ROLE iqstream_stage LOGIN PASSWORD :'stage_password';
