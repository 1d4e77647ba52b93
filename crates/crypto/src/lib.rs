//! Everything Vestibule does with keys: stamps, HPKE, bundles, tokens, and sealing at rest.
