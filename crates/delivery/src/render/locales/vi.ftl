# Vietnamese

code-subject = { $code } là mã { $app } của bạn
code-subject-unnamed = { $code } là mã của bạn
code-heading = Mã { $app } của bạn
code-heading-unnamed = Mã của bạn
code-text = Mã { $app } của bạn là { $code }
code-text-unnamed = Mã của bạn là { $code }
code-expiry = Mã chỉ dùng được một lần và hết hạn sau { $lifetime }.
code-link = Hoặc mở liên kết này để đăng nhập:
code-button = Đăng nhập
code-warning = Không chia sẻ mã này với bất kỳ ai. Nếu bạn không yêu cầu mã, bạn có thể bỏ qua tin nhắn này.

login-subject = Đăng nhập vào { $app }
login-subject-unnamed = Đăng nhập
login-link = Để đăng nhập, hãy mở liên kết này trên thiết bị mà bạn đã dùng để yêu cầu:
login-copy = Để đăng nhập, hãy sao chép đoạn văn bản này vào nơi bạn đã yêu cầu:
login-button = Đăng nhập
login-warning = Không chia sẻ tin nhắn này với bất kỳ ai. Nếu bạn không yêu cầu, bạn có thể bỏ qua.

recovery-subject = Khôi phục tài khoản { $app } của bạn
recovery-subject-unnamed = Khôi phục tài khoản của bạn
recovery-link = Để khôi phục tài khoản, hãy mở liên kết này trên thiết bị mà bạn đã dùng để yêu cầu:
recovery-copy = Để khôi phục tài khoản, hãy sao chép đoạn văn bản này vào nơi bạn đã yêu cầu:
recovery-button = Khôi phục tài khoản
recovery-warning = Không chia sẻ tin nhắn này với bất kỳ ai. Nếu bạn không yêu cầu, có thể người khác đang tìm cách vào tài khoản của bạn; bạn có thể bỏ qua tin nhắn này.

bundle-expiry = Hết hạn sau { $lifetime }.

sms = { $app }: mã của bạn là { $code }
sms-unnamed = Mã của bạn là { $code }
sms-full = { sms }. Hết hạn sau { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Hết hạn sau { $lifetime }.

minutes = { $number } phút
hours = { $number } giờ
days = { $number } ngày
