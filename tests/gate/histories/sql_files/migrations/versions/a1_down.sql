DROP FUNCTION titles();
DROP TABLE notes;
