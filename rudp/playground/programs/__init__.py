"""The programs that scenarios begin with: text to be changed, which nothing imports."""
