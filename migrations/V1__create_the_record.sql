-- The record: every input, every prediction, and the truth once somebody knows it.
--
-- Input and prediction are two tables, as in the tutorial this service grew from, and share one `id`: a UUIDv7 that
-- the service makes, one for each predicted row. UUIDv7 sorts by time, so new rows land at the end of the index and a
-- page of the record is a range of ids; its milliseconds are those of "timestamp".

-- What was asked. The bounds repeat those of the service's `domain` crate; they keep NaN and the infinities out as
-- well, because PostgreSQL holds NaN to be greater than every number.
create table raw_data (
    id           uuid             primary key,
    "timestamp"  timestamptz      not null,
    sepal_width  double precision not null check (sepal_width  between 0 and 100),
    sepal_length double precision not null check (sepal_length between 0 and 100),
    petal_width  double precision not null check (petal_width  between 0 and 100),
    petal_length double precision not null check (petal_length between 0 and 100)
);

comment on table raw_data is 'The inputs, bit for bit as they were sent; one row for each row of prediction';
comment on column raw_data.id is 'A UUIDv7 made by the service, shared with prediction';
comment on column raw_data."timestamp" is 'When the request arrived; the same instant as in prediction';
comment on column raw_data.sepal_width is 'centimeters';
comment on column raw_data.sepal_length is 'centimeters';
comment on column raw_data.petal_width is 'centimeters';
comment on column raw_data.petal_length is 'centimeters';

-- What was answered. No foreign key to raw_data: it costs a third to a half of the insert capacity, and both rows are
-- written by one statement, so neither can be without the other.
create table prediction (
    id            uuid               primary key,
    "timestamp"   timestamptz        not null,
    iris_class    integer            not null check (iris_class between 0 and 2),
    probabilities double precision[] not null check (
        array_ndims(probabilities) = 1
        and cardinality(probabilities) = 3
        and array_position(probabilities, null) is null
        and 0 <= all (probabilities)
        and 1 >= all (probabilities)
    ),
    model_version text               not null check (length(model_version) between 1 and 200)
);

comment on table prediction is 'The answers; one row for each row of raw_data, written by the same statement';
comment on column prediction.id is 'A UUIDv7 made by the service, shared with raw_data';
comment on column prediction."timestamp" is 'When the request arrived; the same instant as in raw_data';
comment on column prediction.iris_class is '0 setosa, 1 versicolor, 2 virginica';
comment on column prediction.probabilities is 'One probability for each class, in the order of the class numbers';
comment on column prediction.model_version is '<version>+<first 8 hex digits of the SHA-256 of the model file>';

-- What turned out to be right. Whoever learns the species of a flower adds a row here; until then there is none.
create table truth (
    id            uuid        primary key references prediction (id),
    iris_class    integer     not null check (iris_class between 0 and 2),
    recorded_at   timestamptz not null default now()
);

comment on table truth is 'The class that turned out to be right, for those predictions of which it is known';

-- The record side by side: what one reads to debug the model.
create view prediction_log as
select
    prediction.id,
    prediction."timestamp",
    raw_data.sepal_width,
    raw_data.sepal_length,
    raw_data.petal_width,
    raw_data.petal_length,
    prediction.iris_class,
    (array['setosa', 'versicolor', 'virginica'])[prediction.iris_class + 1] as species,
    prediction.probabilities,
    prediction.probabilities[prediction.iris_class + 1] as confidence,
    prediction.model_version,
    truth.iris_class as truth
from prediction
join raw_data using (id)
left join truth using (id);

comment on view prediction_log is 'Input and prediction side by side, one row for each id, with the truth once it is known';
