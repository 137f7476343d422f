-- What the roles of the record log in with. PostgreSQL's image runs this once, after roles.sql.

\set migrator `cat /run/secrets/migrator`
\set writer `cat /run/secrets/writer`
alter role onrecord_migrator password :'migrator';
alter role onrecord_writer password :'writer';
