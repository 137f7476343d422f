-- The answers of requests that came with an Idempotency-Key, so that such a request may be sent again: it is recorded
-- once, and each time it gets the same answer. A key is written by the statement that writes the records of its request,
-- so one is never there without the other. Rows are deleted when they expire.
create table idempotency_key (
    caller      text        not null check (length(caller) <= 255),
    key         text        not null check (length(key) between 1 and 255),
    fingerprint bytea       not null check (octet_length(fingerprint) = 32),
    answer      bytea       not null,
    created_at  timestamptz not null default now(),
    primary key (caller, key)
);

create index idempotency_key_created_at on idempotency_key (created_at);

comment on table idempotency_key is 'The answers of requests that came with an Idempotency-Key, until they expire';
comment on column idempotency_key.caller is 'Whose key it is; empty as long as callers are not told apart';
comment on column idempotency_key.key is 'As the caller sent it';
comment on column idempotency_key.fingerprint is 'SHA-256 of what was asked: another request under the same key is refused';
comment on column idempotency_key.answer is 'The body of the answer, byte for byte';
comment on column idempotency_key.created_at is 'When it was answered; it expires a day later unless the service is set otherwise';
