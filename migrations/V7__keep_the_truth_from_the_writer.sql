-- The service has no way to say what turned out to be right, so its role need not be able to: whoever labels does it as
-- somebody else, who is granted this.
do $$
begin
    if exists (select from pg_roles where rolname = 'onrecord_writer') then
        revoke insert on truth from onrecord_writer;
    end if;
end
$$;
