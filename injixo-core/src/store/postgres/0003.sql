-- Entries are packed from this step on, in a form that earlier versions cannot read.
COMMENT ON TABLE feed_entry IS 'what changed, packed; earlier forms are read too';
