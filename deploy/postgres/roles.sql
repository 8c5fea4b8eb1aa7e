-- The roles of the stages and of the dashboard, made with the database; what they may do, `iqstream init` grants (iqstream/catalogue/roles.py).
\set sink_password `cat /run/secrets/postgres_sink_password`
\set stage_password `cat /run/secrets/postgres_stage_password`
\set dashboard_password `cat /run/secrets/postgres_dashboard_password`
CREATE ROLE iqstream_sink LOGIN PASSWORD :'sink_password';
CREATE ROLE iqstream_stage LOGIN PASSWORD :'stage_password';
CREATE ROLE iqstream_dashboard LOGIN PASSWORD :'dashboard_password';
