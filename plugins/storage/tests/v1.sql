-- A database as version 1 of the schema left it. Never edited: every later version must open it.
PRAGMA application_id=1279349832;
PRAGMA user_version=1;
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('next_revision', 4);
CREATE TABLE coll(pk INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO coll VALUES(1, 'things');
CREATE TABLE ix(pk INTEGER PRIMARY KEY AUTOINCREMENT, coll INTEGER NOT NULL, field TEXT NOT NULL, type INTEGER NOT NULL, UNIQUE(coll, field));
INSERT INTO ix VALUES(1, 1, 'n', 1);
CREATE TABLE doc(pk INTEGER PRIMARY KEY, coll INTEGER NOT NULL, id TEXT NOT NULL, rev INTEGER NOT NULL, json TEXT NOT NULL, UNIQUE(coll, id));
INSERT INTO doc VALUES(1, 1, 'old', 3, '{"n":7,"s":"x"}');
CREATE TABLE entry(ix INTEGER NOT NULL, val NOT NULL, id TEXT NOT NULL, PRIMARY KEY(ix, val, id)) WITHOUT ROWID;
INSERT INTO entry VALUES(1, 7.0, 'old');
CREATE INDEX entry_doc ON entry(ix, id);
CREATE TABLE counter(name TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES('ids', 42);
