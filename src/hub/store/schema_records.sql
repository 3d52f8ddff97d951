-- Records of one class belong to records of another, and carry permissions of their own
-- (data/access.rs; null for the defaults). No foreign key: what goes with a record is removed by
-- store/records.rs, in the same transaction. A dialog may be bound to a custom object.

ALTER TABLE records ADD COLUMN parent_id TEXT;
ALTER TABLE records ADD COLUMN permissions TEXT;
CREATE INDEX records_parent ON records(parent_id) WHERE parent_id IS NOT NULL;
ALTER TABLE dialogs ADD COLUMN data TEXT;
