//! What every main needs: config, telemetry, lifecycle, health, gRPC.
