-- The finished statistic of a job, where the study has the server finish one on ciphertexts.
ALTER TABLE jobs ADD COLUMN finished BLOB;
