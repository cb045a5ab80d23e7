"""Work on this machine: find or make the service's virtual environment, run the gate, write the files of `slipway init`."""
