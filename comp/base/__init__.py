"""What every room needs: errors, files, paths, processes, progress, plug-ins and YAML. Nothing about images or labels."""
