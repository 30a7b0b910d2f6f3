/**
 * The tables, created where they are missing. Ids are UUIDs, instants are milliseconds since the
 * epoch, TTLs are seconds, and 0 means without limit, as in Infisical.
 */
export const schema = `
CREATE TABLE IF NOT EXISTS settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS projects (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  slug TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS environments (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects ON DELETE CASCADE,
  name TEXT NOT NULL,
  slug TEXT NOT NULL,
  position INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (project_id, slug)
) STRICT;

CREATE TABLE IF NOT EXISTS folders (
  id TEXT PRIMARY KEY,
  environment_id TEXT NOT NULL REFERENCES environments ON DELETE CASCADE,
  parent_id TEXT REFERENCES folders ON DELETE CASCADE,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (environment_id, parent_id, name)
) STRICT;

CREATE TABLE IF NOT EXISTS secrets (
  id TEXT PRIMARY KEY,
  folder_id TEXT NOT NULL REFERENCES folders ON DELETE CASCADE,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  comment TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (folder_id, name)
) STRICT;

CREATE TABLE IF NOT EXISTS identities (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS universal_auths (
  id TEXT PRIMARY KEY,
  identity_id TEXT NOT NULL UNIQUE REFERENCES identities ON DELETE CASCADE,
  client_id TEXT NOT NULL UNIQUE,
  ttl INTEGER NOT NULL,
  max_ttl INTEGER NOT NULL,
  uses_limit INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS client_secrets (
  id TEXT PRIMARY KEY,
  universal_auth_id TEXT NOT NULL REFERENCES universal_auths ON DELETE CASCADE,
  description TEXT NOT NULL,
  prefix TEXT NOT NULL,
  hash TEXT NOT NULL,
  ttl INTEGER NOT NULL,
  uses INTEGER NOT NULL,
  uses_limit INTEGER NOT NULL,
  revoked INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS access_tokens (
  id TEXT PRIMARY KEY,
  identity_id TEXT NOT NULL REFERENCES identities ON DELETE CASCADE,
  ttl INTEGER NOT NULL,
  max_ttl INTEGER NOT NULL,
  uses INTEGER NOT NULL,
  uses_limit INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  renewed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS memberships (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects ON DELETE CASCADE,
  identity_id TEXT NOT NULL REFERENCES identities ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (project_id, identity_id)
) STRICT;

CREATE TABLE IF NOT EXISTS roles (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects ON DELETE CASCADE,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  permissions TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (project_id, slug)
) STRICT;

CREATE TABLE IF NOT EXISTS membership_roles (
  id TEXT PRIMARY KEY,
  membership_id TEXT NOT NULL REFERENCES memberships ON DELETE CASCADE,
  role TEXT NOT NULL,
  custom_role_id TEXT REFERENCES roles ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS privileges (
  id TEXT PRIMARY KEY,
  membership_id TEXT NOT NULL REFERENCES memberships ON DELETE CASCADE,
  slug TEXT NOT NULL,
  permissions TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (membership_id, slug)
) STRICT;

CREATE TABLE IF NOT EXISTS webhooks (
  id TEXT PRIMARY KEY,
  environment_id TEXT NOT NULL REFERENCES environments ON DELETE CASCADE,
  path TEXT NOT NULL,
  url TEXT NOT NULL,
  secret TEXT,
  last_status TEXT,
  last_error TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
`
