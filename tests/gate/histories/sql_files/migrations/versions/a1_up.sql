CREATE TABLE notes (id int PRIMARY KEY, title text);
-- a comment; with a semicolon
CREATE FUNCTION titles() RETURNS SETOF text LANGUAGE sql AS $$ SELECT title FROM notes; $$;
