"""What a face asks of public accounts: project, fan, assess, price a bond, finance."""
