"""The worker process: hosts the native executor for one client process. Started by the dispatcher only."""
